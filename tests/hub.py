"A small server that plays the Hugging Face Hub: it keeps what it is given, and gives it back"
import base64, hashlib, http.server, json, os, re, sys, tempfile, threading
from contextlib import contextmanager
from unittest.mock import patch


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    files = {}

    def answer(self, body, status=200, **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for k, v in {'Content-Length': len(body), **headers}.items(): self.send_header(k.replace('_', '-'), str(v))
        self.end_headers()
        if self.command != 'HEAD': self.wfile.write(body)

    def do_GET(self):
        name = re.sub(r'^/|resolve/[^/]+/', '', self.path.split('?')[0])
        if name not in self.files: return self.answer(b'', 404, X_Error_Code='RepoNotFound')
        data = self.files[name]
        self.answer(data, ETag=f'"{hashlib.sha256(data).hexdigest()}"', X_Repo_Commit='0'*40)
    do_HEAD = do_GET

    def body(self):
        if size := self.headers['Content-Length']: return self.rfile.read(int(size))
        body = b''
        while size := int(self.rfile.readline(), 16): body += self.rfile.read(size + 2)[:-2]
        self.rfile.readline()
        return body

    def do_POST(self):
        body = self.body()
        if self.path == '/api/repos/create':
            d = json.loads(body)
            return self.answer(dict(url=f"{self.server.url}/{d.get('organization', 'me')}/{d['name']}", id='0'))
        if self.path == '/api/validate-yaml': return self.answer(dict(errors=[], warnings=[]))
        name = '/'.join(self.path.split('/')[3:5])
        if '/preupload/' in self.path:
            return self.answer(dict(files=[dict(path=o['path'], uploadMode='regular', shouldIgnore=False, oid=None)
                                           for o in json.loads(body)['files']]))
        for o in map(json.loads, body.splitlines()):
            if o['key'] == 'file': self.files[f"{name}/{o['value']['path']}"] = base64.b64decode(o['value']['content'])
        self.answer(dict(commitUrl=f'{self.server.url}/{name}/commit/main', commitOid='0'*40, success=True))

    def log_message(self, *_): pass


def take_out():
    "Forget that `huggingface_hub` was imported; what was"
    return {o: sys.modules.pop(o) for o in list(sys.modules) if o.split('.')[0] == 'huggingface_hub'}


@contextmanager
def stand_in():
    "A server in a thread, to which `huggingface_hub` turns; it has `url` and `files`"
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), type('Own', (Hub,), dict(files={})))
    server.url, server.files = f'http://127.0.0.1:{server.server_port}', server.RequestHandlerClass.files
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as cache, \
         patch.dict(os.environ, HF_TOKEN='hf_none', HF_ENDPOINT=server.url, HF_HUB_CACHE=cache):
        before = take_out()  # it reads the variables when it is imported
        try: yield server
        finally:
            take_out()
            sys.modules.update(before)
            server.shutdown()
            server.server_close()

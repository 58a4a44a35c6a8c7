// Opens a camera, or a clip in its place, and says in words why it can't.
const WHY = {
  NotAllowedError: 'The browser may not use the camera. Allow it for this page (the camera symbol beside the address), then start again. Pictures can be uploaded all the same.',
  NotFoundError: 'No camera was found. Connect one and start again, or upload pictures.',
  NotReadableError: 'The camera is there but gives no picture. Another program may be using it: close that and start again.',
};
const INSECURE = 'Browsers give a page the camera only over https:// or on localhost. Open this page that way; pictures can be uploaded all the same.';

export class Camera {
  constructor(video) { Object.assign(this, {video, stream: null, facing: 'user', shot: document.createElement('canvas'), small: document.createElement('canvas')}); }

  /** Opens the camera `id`, or the one that looks at `this.facing`; an Error's message is for people. */
  async open(id = '') {
    if (!window.isSecureContext) throw new Error(INSECURE);
    if (!navigator.mediaDevices?.getUserMedia) throw new Error('This browser gives no access to a camera.');
    this.close();
    const size = {width: {ideal: 1280}, height: {ideal: 720}};
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({audio: false, video: id ? {...size, deviceId: {exact: id}} : {...size, facingMode: this.facing}});
    } catch (e) { throw new Error(WHY[e.name] || `The camera can't be opened (${e.message || e.name}).`); }
    this.track = this.stream.getVideoTracks()[0];
    this.track.onended = () => this.onlost?.();
    this.video.srcObject = this.stream;
    await this.video.play();
    const now = this.track.getSettings();
    this.id = now.deviceId;
    this.facing = now.facingMode || 'user';
  }

  /** Plays a clip, again and again. */
  async play(file) {
    this.close();
    Object.assign(this.video, {src: URL.createObjectURL(file), loop: true});
    try { await this.video.play(); }
    catch { this.close(); throw new Error(`${file.name} is damaged, or of a kind that this browser does not play; maskdetect video takes more.`); }
    this.stream = new MediaStream();
    this.clip = true;
  }

  close() {
    URL.revokeObjectURL(this.video.src);
    this.video.removeAttribute('src');
    this.clip = false;
    if (this.track) this.track.onended = null;
    this.stream?.getTracks().forEach(track => track.stop());
    this.stream = this.track = this.video.srcObject = null;
  }

  async list() { return (await navigator.mediaDevices?.enumerateDevices() ?? []).filter(d => d.kind === 'videoinput'); }

  /** Waits for a new frame; `shot` keeps it as the camera gave it, so that a verdict is shown on the frame that it belongs to.
      False once the camera is closed. */
  async frame() {
    const {video, shot} = this;
    await new Promise(done => video.requestVideoFrameCallback ? video.requestVideoFrameCallback(done) : setTimeout(done, 40));
    if (!this.stream) return false;
    [shot.width, shot.height] = [video.videoWidth, video.videoHeight];
    shot.getContext('2d', {willReadFrequently: true}).drawImage(video, 0, 0);
    return true;
  }

  /** The next new frame, as it is; null once the camera is closed. */
  async pixels() { return await this.frame() ? this.shot.getContext('2d').getImageData(0, 0, this.shot.width, this.shot.height) : null; }

  /** The next new frame as a JPEG whose longer side has `side` pixels at most; null once the camera is closed. */
  async grab(side = 640) {
    if (!await this.frame()) return null;
    const {shot, small} = this, scale = Math.min(1, side / Math.max(shot.width, shot.height));
    [small.width, small.height] = [Math.round(shot.width * scale), Math.round(shot.height * scale)];
    small.getContext('2d').drawImage(shot, 0, 0, small.width, small.height);
    return new Promise(done => small.toBlob(done, 'image/jpeg', .85));
  }
}

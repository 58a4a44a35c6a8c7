from maskdetect.demo import demo

demo()

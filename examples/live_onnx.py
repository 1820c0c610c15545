"""Labels of a video, frame by frame, with an exported live model. Needs numpy, PyAV and onnxruntime, no torch.

spatempo export runs/my_run/best live.onnx --streaming
python live_onnx.py live.onnx clip.mp4 4        # every 4th frame
"""

import itertools
import json
import sys

import av
import numpy as np
import onnxruntime

model, source, every = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1
session = onnxruntime.InferenceSession(model)
spec = json.loads(session.get_modelmeta().custom_metadata_map["spatempo"])
needs, classes = spec["preprocess"], spec["classes"]
size, short = needs["size"], needs["resize"]
state = {t["name"]: np.full([n or 1 for n in t["shape"]], float(t["fill"]), np.float32) for t in spec["state"]}
with av.open(source) as video:
    for image in itertools.islice(video.decode(video=0), 0, None, every):
        scale = short / min(image.width, image.height)
        width, height = round(image.width * scale), round(image.height * scale)
        frame = image.reformat(width, height, "rgb24", interpolation="BILINEAR").to_ndarray()
        top, left = (height - size) // 2, (width - size) // 2
        frame = (frame[top : top + size, left : left + size] / 255 - needs["mean"]) / needs["std"]
        frames = frame.astype(np.float32).transpose(2, 0, 1)[None, :, None]  # [1, 3, 1, size, size]
        logits, *state_values = session.run(None, {"frames": frames, **state})
        state = dict(zip(state, state_values, strict=True))
        print(f"{image.time:8.2f} s  {classes[logits[0].argmax()]}")

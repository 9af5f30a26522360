"""Speaks one line with libespeak-ng and tells when each word begins.

stdin:  {"voice": "en-us+f3", "rate": 160, "pitch": 55, "range": 60, "text": "..."}
stdout: {"sampleRate": 22050, "pcm": base64 of signed 16-bit mono samples, "words": [{"at": character index, "ms": start}]}

The espeak-ng command tells no word times; its library reports one event a word. Used by make-call.mjs only.
"""

import base64
import ctypes
import json
import sys

WORD_EVENT, END_OF_LIST = 1, 0
RATE, PITCH, RANGE = 1, 3, 4
RETRIEVAL, UTF8 = 1, 1


class Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_id", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    ]


CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))
espeak = ctypes.CDLL("libespeak-ng.so.1")
request = json.load(sys.stdin)
pcm = bytearray()
words = []


def collect(samples, count, events):
    if samples and count > 0:
        pcm.extend(ctypes.string_at(samples, count * 2))
    i = 0
    while events[i].type != END_OF_LIST:
        if events[i].type == WORD_EVENT:
            words.append({"at": events[i].text_position - 1, "ms": events[i].audio_position})
        i += 1
    return 0


callback = CALLBACK(collect)
sample_rate = espeak.espeak_Initialize(RETRIEVAL, 0, None, 0)
espeak.espeak_SetSynthCallback(callback)
if espeak.espeak_SetVoiceByName(request["voice"].encode()) != 0:
    sys.exit("unknown voice " + request["voice"])
for parameter, value in ((RATE, request["rate"]), (PITCH, request["pitch"]), (RANGE, request["range"])):
    espeak.espeak_SetParameter(parameter, value, 0)
text = request["text"].encode() + b"\0"
espeak.espeak_Synth(text, len(text), 0, 1, 0, UTF8, None, None)
espeak.espeak_Synchronize()
json.dump({"sampleRate": sample_rate, "pcm": base64.b64encode(bytes(pcm)).decode(), "words": words}, sys.stdout)

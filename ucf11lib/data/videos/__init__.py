"""Trees of videos: UCF-11's archive, UCF-101, Weizmann, or any folder of class folders."""

# ruff: noqa: F401 - names for outsiders
from ucf11lib.data.videos.decoding import Decoded, decode, decode_all
from ucf11lib.data.videos.pictures import pictures, reason, video_stream
from ucf11lib.data.videos.tree import named_video, walk

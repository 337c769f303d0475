"""Trees of videos: UCF-11's archive, UCF-101, Weizmann, or any folder of class folders."""

// Stand-in for AVFoundation on Linux: signatures only.

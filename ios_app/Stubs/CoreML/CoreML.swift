// Stand-in for CoreML on Linux: signatures only.

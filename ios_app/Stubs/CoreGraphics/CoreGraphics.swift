// Stand-in for CoreGraphics on Linux: signatures only.

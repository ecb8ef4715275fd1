// Stand-in for ImageIO on Linux: signatures only.

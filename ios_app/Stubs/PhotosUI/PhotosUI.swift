// Stand-in for PhotosUI on Linux: signatures only.

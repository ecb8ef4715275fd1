// Stand-in for UniformTypeIdentifiers on Linux: signatures only.

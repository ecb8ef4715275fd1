// Stand-in for UIKit on Linux: signatures only.

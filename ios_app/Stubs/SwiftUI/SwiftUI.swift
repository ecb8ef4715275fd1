// Stand-in for SwiftUI on Linux: signatures only.

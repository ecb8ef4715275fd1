// Stand-in for AppIntents on Linux: signatures only.

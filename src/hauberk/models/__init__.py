"""Models as signed data: how they are trained, judged, registered, rolled out and watched."""

"""Network: beacons, scans, tunnels, long connections, volumes."""

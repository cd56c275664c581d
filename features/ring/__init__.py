"""Einstein-ring enhancement: ridges, contrast, and the ring's own radius."""

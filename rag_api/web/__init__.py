"""HTTP: one file a resource. Routes translate, they don't decide."""

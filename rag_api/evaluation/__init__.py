"""An admin's own measurements of a collection: questions in, figures with intervals, comparisons and reports out."""

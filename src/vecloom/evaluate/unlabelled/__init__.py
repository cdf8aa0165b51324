"""Classification without labels: baselines by similarity and by entailment, compared on equal terms."""

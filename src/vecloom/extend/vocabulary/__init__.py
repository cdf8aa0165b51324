"""Another vocabulary for a model: another tokenizer's, a smaller one, or a larger one."""

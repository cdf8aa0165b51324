"""Many tasks and many models: aggregates, the tasks that one needs, smaller tasks, results of others, what models have seen."""

complete --keep-order --exclusive --command mlx --arguments "(COMPLETE=fish mlx -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"

complete --keep-order --exclusive --command solobot --arguments "(SOLOBOT_COMPLETE=fish solobot -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"

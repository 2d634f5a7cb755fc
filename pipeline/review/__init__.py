"""The web application in which people decide. Its only store is the decide door's log; all it shows is a fold over it.

`Standing` is the fold, `Desk` what may be done, `app` the pages. Model names never reach a browser: `Item` holds none.
"""

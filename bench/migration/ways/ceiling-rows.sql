-- Runs on the source: a share of a table's pages in the binary form of its rows.
COPY (SELECT :columns FROM ONLY :relation WHERE ctid >= :'first' AND ctid < :'last') TO STDOUT (FORMAT binary)

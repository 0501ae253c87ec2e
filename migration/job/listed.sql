-- Runs this worker's share of a list: of $LIST, a statement as a JSON string in each line, every line whose number leaves $WORKER when divided by $WORKERS. Without
-- these two there is one worker, which runs all of it.
\set statements `awk -v worker="${WORKER:-0}" -v workers="${WORKERS:-1}" 'NR % workers == worker' "$LIST" | paste -sd,`
SELECT statement FROM json_array_elements_text(('[' || :'statements' || ']')::json) WITH ORDINALITY AS listed (statement, place) ORDER BY place
\gexec

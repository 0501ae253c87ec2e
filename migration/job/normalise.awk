# Two servers of different majors print the same definition differently in a few places; here both come out the same. `major` is the source's.

# The roles of a policy come in the order in which they were made.
/^CREATE POLICY .* TO .*, / {
  at = match($0, / TO .*, .*( USING \(| WITH CHECK \(|;)/)
  head = substr($0, 1, at + 3); rest = substr($0, at + 4)
  end = match(rest, /( USING \(| WITH CHECK \(|;)/)
  tail = substr(rest, end); count = split(substr(rest, 1, end - 1), role, ", ")
  for (i = 2; i <= count; i++) for (j = i; j > 1 && role[j] < role[j - 1]; j--) { swap = role[j]; role[j] = role[j - 1]; role[j - 1] = swap }
  list = role[1]; for (i = 2; i <= count; i++) list = list ", " role[i]
  $0 = head list tail
}

# PostgreSQL 16 shortens a collation's ICU locale.
major < 16 && /^CREATE COLLATION / { gsub(/-true'/, "'"); gsub(/-true-/, "-") }

# PostgreSQL 16 leaves out a table's name before a column where it is not needed, in views and rules alone.
major < 16 && /^CREATE (OR REPLACE )?(MATERIALIZED )?(VIEW|RULE) / { inside = 1 }
inside {
  while (match($0, /(^|[^A-Za-z0-9_$".'])([a-z_][a-z0-9_$]*|"[^"]*")\./)) {
    first = substr($0, RSTART, 1); if (first ~ /[a-z_"]/) first = ""
    $0 = substr($0, 1, RSTART - 1) first substr($0, RSTART + RLENGTH)
  }
}

# PostgreSQL 17 has the privilege MAINTAIN; before it an owner had it without its being one.
major < 17 && /^GRANT MAINTAIN ON / { next }
major < 17 && /^(GRANT|REVOKE|ALTER DEFAULT PRIVILEGES) / {
  sub(/MAINTAIN,/, ""); sub(/,MAINTAIN/, "")
  sub(/SELECT,INSERT,REFERENCES,DELETE,TRIGGER,TRUNCATE,UPDATE ON /, "ALL ON ")
}

{ print }
/;$/ { inside = 0 }

-- For the scripts that include it, on the source, as the variable `carried`: a query of each `relation`'s `columns` as COPY takes them. Generated ones are computed anew;
-- a table that has no others, or none at all, is not in it.
SELECT $carried$
  SELECT attrelid AS relation, string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS columns
    FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped AND attgenerated = '' GROUP BY attrelid
$carried$ AS carried \gset

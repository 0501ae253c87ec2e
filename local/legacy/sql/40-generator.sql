-- What the load makes its rows of: pure functions of the seed and the row's number, so that the same seed gives the
-- same rows, whatever the number of streams. Gone again at the end (90-finish.sql).
\set ON_ERROR_STOP 1
CREATE SCHEMA seed_generator;
CREATE FUNCTION seed_generator.h(i bigint, salt integer) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN hashint8extended(i, :seed * 1000 + salt) & 9223372036854775807;
-- A passage of `length` characters, somewhere in a text that compresses about as well as prose does.
CREATE FUNCTION seed_generator.passage(h bigint, length integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN substr('Coffee from Yirgacheffe, washed and dried in the sun, ships within two days; a handwoven basket keeps it company. Every blend is roasted in small lots, weighed twice and packed by hand, and what arrives broken is sent again at no charge. Leather bags darken with the years, which is why we oil them once before they leave the shop. Please ring the bell of the blue gate, the dog is friendly but the goat is not. Berbere, mitmita and shiro keep for a year when they stay dry; honey keeps for ever. Sizes run small: take one above your own, and send back whatever does not fit before the month is over. Silver is stamped 925, amber floats in salt water, and no two crosses from Lalibela are cast from the same wax. Delivery on Saturdays costs extra outside the ring road. Gift wrap is paper from the same mill that makes our labels. If nobody is at home, the neighbour at number nine takes parcels until eight in the evening.',
  1 + (h % 400)::integer, length);
CREATE FUNCTION seed_generator.hex(h bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN encode(int8send(h), 'hex');
-- Orders grow evenly over the 400 days from 2025-05-01; one in 397 is older than every monthly partition.
CREATE FUNCTION seed_generator.placed_at(i bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN i % 397 = 0 THEN '2019-06-01 00:00:00+00'::timestamptz ELSE '2025-05-01 00:00:00+00'::timestamptz END
  + ((i - 1) * 34560000000 / :orders) * '1 millisecond'::interval;

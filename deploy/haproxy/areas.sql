-- Divides the town among servers, by the requests of the last four weeks: each has about as many, in cells that lie together.
-- Prints a line CELL SERVER for each cell, which HAProxy reads as /etc/haproxy/areas.map:
--
--   psql --quiet --no-align --tuples-only --field-separator=' ' --set=servers=4 --file=deploy/haproxy/areas.sql "$TAXIRANK_DATABASE_URL"
--
-- Cells are those of H3 of size 7, with edges of about 1.4 km. Numbers near each other are mostly cells near each other.
WITH requested AS (
    SELECT pick_up_cell AS cell, count(*) AS requests FROM trips
    WHERE pick_up_cell IS NOT NULL AND created > now() - interval '28 days' GROUP BY pick_up_cell
), placed AS (
    SELECT cell, (sum(requests) OVER (ORDER BY cell) - requests / 2.0) / sum(requests) OVER () AS place FROM requested
)
SELECT to_hex(cell), 'server' || 1 + floor(place * :servers)::int FROM placed ORDER BY cell;

# Whether all migrations apply to a copy of the database's schema, in a database of its own.
set -eu

server="${DATABASE_URL%/*}"
scratch="scratch_${ORCH_PORT:-$$}"            # no two gates have the same port
trap 'psql -q "$server/postgres" -c "DROP DATABASE IF EXISTS $scratch"' EXIT

psql -q "$server/postgres" -c "CREATE DATABASE $scratch"
pg_dump --schema-only --no-owner "$DATABASE_URL" | psql -q "$server/$scratch" >/dev/null
for file in migrations/*.sql; do
    echo "$file"
    psql -q --single-transaction -v ON_ERROR_STOP=1 -f "$file" "$server/$scratch"
done

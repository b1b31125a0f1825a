-- The database that is there already: psql "$DATABASE_URL" -f shop.sql
CREATE SCHEMA shop;

CREATE TABLE shop.customers (
    customer_no integer PRIMARY KEY,
    full_name text NOT NULL
);

CREATE TABLE shop.orders (
    order_no integer PRIMARY KEY,
    placed_for integer NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT now()
);

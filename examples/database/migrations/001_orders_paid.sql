ALTER TABLE shop.orders ADD COLUMN paid boolean NOT NULL DEFAULT false;

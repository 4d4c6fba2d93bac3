-- Where a node can be told of work that others have accepted for it; null: it finds it by looking.
alter table node add column address text;

-- What the wanted things are. Each is a place in these lists: $1 kind, $2 schema,
-- $3 name, $4 argument types. With each: whether this connection can name it at all,
-- and which of its privileges everybody has and which this connection may hand on.
WITH thing AS (
    SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind, c.tableoid AS class, c.oid, n.nspname AS schema, c.relname AS name,
           '' AS args, c.relowner AS owner, coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, c.relowner)) AS acl
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname::text = ANY ($2::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT 'function', p.tableoid, p.oid, n.nspname, p.proname, oidvectortypes(p.proargtypes), p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname::text = ANY ($2::text[]) AND p.proname::text = ANY ($3::text[])
    UNION ALL
    SELECT 'schema', n.tableoid, n.oid, '', n.nspname, '', n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))
    FROM pg_namespace n WHERE n.nspname::text = ANY ($3::text[])
    UNION ALL
    SELECT 'database', d.tableoid, d.oid, '', d.datname, '', d.datdba, coalesce(d.datacl, acldefault('d', d.datdba))
    FROM pg_database d WHERE d.datname::text = ANY ($3::text[])
)
SELECT w.place::int, t.class, t.oid, t.schema::text, t.name::text, t.args,
       CASE WHEN t.schema = '' THEN true ELSE has_schema_privilege(t.schema, 'USAGE') END,
       pg_has_role(t.owner, 'USAGE'),
       ARRAY(SELECT lower(e.privilege_type) FROM aclexplode(t.acl) e WHERE e.grantee = 0),
       ARRAY(SELECT lower(e.privilege_type) FROM aclexplode(t.acl) e
             WHERE CASE WHEN e.grantee = 0 THEN false ELSE e.is_grantable AND pg_has_role(e.grantee, 'USAGE') END)
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS w (kind, schema, name, args, place)
JOIN thing t ON t.schema::text = w.schema
    AND CASE w.kind WHEN 'allTablesIn' THEN t.kind = 'table'
                    ELSE t.kind = w.kind AND t.name::text = w.name AND t.args = w.args END
ORDER BY place, schema, name

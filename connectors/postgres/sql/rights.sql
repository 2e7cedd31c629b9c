-- All that the roles $1 have, whoever gave it: a row for each privilege on a thing of
-- this database, and one without a kind for anything else, with words for people.
WITH r AS MATERIALIZED (SELECT * FROM pg_roles WHERE rolname::text = ANY ($1::text[]))
SELECT r.rolname::text,
       CASE WHEN d.deptype <> 'a' OR d.objsubid <> 0 THEN ''
            WHEN c.relkind = 'S' THEN 'sequence' WHEN c.oid IS NOT NULL THEN 'table' WHEN p.oid IS NOT NULL THEN 'function'
            WHEN s.oid IS NOT NULL THEN 'schema' WHEN b.oid IS NOT NULL THEN 'database' ELSE '' END,
       d.classid, d.objid, coalesce(n.nspname::text, ''),
       coalesce(c.relname, p.proname, s.nspname, b.datname, '')::text, coalesce(oidvectortypes(p.proargtypes), ''),
       coalesce(lower(e.privilege_type), ''), coalesce(e.is_grantable, false), coalesce(pg_get_userbyid(e.grantor)::text, ''),
       CASE WHEN elsewhere THEN 'something in another database'
            ELSE coalesce(pg_describe_object(d.classid, d.objid, d.objsubid), 'something') END
FROM r
JOIN pg_shdepend d ON d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid
CROSS JOIN LATERAL (SELECT d.dbid <> 0 AND d.dbid <> (SELECT oid FROM pg_database WHERE datname = current_database()) AS elsewhere) x
LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid AND NOT elsewhere
LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid AND NOT elsewhere
LEFT JOIN pg_namespace s ON d.classid = 'pg_namespace'::regclass AND s.oid = d.objid AND NOT elsewhere
LEFT JOIN pg_database b ON d.classid = 'pg_database'::regclass AND b.oid = d.objid
LEFT JOIN pg_namespace n ON n.oid = coalesce(c.relnamespace, p.pronamespace)
LEFT JOIN LATERAL aclexplode(coalesce(c.relacl, p.proacl, s.nspacl, b.datacl)) e ON e.grantee = r.oid
UNION ALL
SELECT r.rolname::text, '', 0::oid, 0::oid, '', '', '', '', false, '', 'role ' || g.rolname
FROM r JOIN pg_auth_members m ON m.member = r.oid JOIN pg_roles g ON g.oid = m.roleid
UNION ALL
SELECT r.rolname::text, '', 0::oid, 0::oid, '', '', '', '', false, '', 'an attribute such as LOGIN'
FROM r WHERE rolsuper OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls

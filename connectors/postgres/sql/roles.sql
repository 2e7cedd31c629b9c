-- What the roles and accounts $1 are.
SELECT rolname::text, rolsuper, rolcanlogin, rolvaliduntil,
       coalesce(shobj_description(oid, 'pg_authid'), '')
FROM pg_roles
WHERE rolname::text = ANY ($1::text[])

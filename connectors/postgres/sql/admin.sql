-- Which of the roles $1 exist, and which of them this connection may hand on.
SELECT rolname::text, rolsuper, pg_has_role(oid, 'MEMBER WITH ADMIN OPTION')
FROM pg_roles
WHERE rolname::text = ANY ($1::text[])

-- Every direct membership of the accounts $1, with whoever granted it. Since
-- PostgreSQL 16 one membership may have several grantors, a row each.
SELECT m.rolname::text, r.rolname::text, pg_get_userbyid(am.grantor)::text
FROM pg_auth_members am
JOIN pg_roles r ON r.oid = am.roleid
JOIN pg_roles m ON m.oid = am.member
WHERE m.rolname::text = ANY ($1::text[])

-- Logins that carry the mark $1, may no longer log in and are a member of nothing.
SELECT rolname::text
FROM pg_roles r
WHERE NOT rolcanlogin
  AND shobj_description(oid, 'pg_authid') = $1
  AND NOT EXISTS (SELECT FROM pg_auth_members am WHERE am.member = r.oid)
ORDER BY rolname

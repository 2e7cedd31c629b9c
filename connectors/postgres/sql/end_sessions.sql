-- Ends the sessions of those who could act as account $1[i], and through it as role
-- $2[i], and now have no path to that role left. A session that did SET ROLE before
-- the revoke would keep the role. Superusers are members of every role here, so
-- their sessions are never meant; nor are the reconciler's own, although since
-- PostgreSQL 16 it is a member of the logins that it made. A role of privileges ($3[i])
-- that is gone had no other member, so nobody has a path to it. No row: none is left.
WITH lost AS MATERIALIZED (
    SELECT DISTINCT a.oid AS account, r.oid AS role
    FROM unnest($1::text[], $2::text[], $3::bool[]) AS l (account, role, direct)
    JOIN pg_roles a ON a.rolname::text = l.account
    LEFT JOIN pg_roles r ON r.rolname::text = l.role
    WHERE r.oid IS NOT NULL OR l.direct
)
SELECT coalesce(s.usename::text, ''), pg_terminate_backend(s.pid)
FROM pg_stat_activity s
WHERE s.usename <> session_user
  AND NOT EXISTS (SELECT FROM pg_roles su WHERE su.oid = s.usesysid AND su.rolsuper)
  AND EXISTS (
    SELECT FROM lost
    WHERE pg_has_role(s.usesysid, lost.account, 'MEMBER')
      AND (lost.role IS NULL OR NOT pg_has_role(s.usesysid, lost.role, 'MEMBER')))

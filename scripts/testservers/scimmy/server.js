// A SCIM 2.0 server for tests: protocol, schemas, filters, paging and PATCH are
// scimmy-routers'; what is here keeps resources in a file and knows two tokens.
//
//   node server.js PORT STATE.json WRITE-TOKEN READ-TOKEN
import express from "express";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const [port, file, writer, reader] = process.argv.slice(2);
const state = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { users: {}, groups: {} };
const save = () => {
  writeFileSync(file + ".new", JSON.stringify(state));
  renameSync(file + ".new", file);
};
const fail = (status, type, text) => { throw new SCIMMY.Types.Error(status, type, text); };

function declare(resource, kept, check) {
  SCIMMY.Resources.declare(resource, {
    egress: (r) => {
      const all = Object.values(kept);
      if (r.id) return kept[r.id] ?? fail(404, null, `Resource ${r.id} not found`);
      return r.filter ? r.filter.match(all) : all;
    },
    ingress: (r, instance, ctx) => {
      if (!ctx.writes) fail(403, null, "this token may only read");
      if (r.id && !kept[r.id]) fail(404, null, `Resource ${r.id} not found`);
      const next = { ...JSON.parse(JSON.stringify(instance)), id: r.id ?? randomUUID() };
      check(next);
      kept[next.id] = next;
      save();
      return next;
    },
    degress: (r, ctx) => {
      if (!ctx.writes) fail(403, null, "this token may only read");
      delete kept[r.id];
      for (const g of Object.values(state.groups)) g.members = (g.members ?? []).filter((m) => m.value !== r.id);
      save();
    },
  });
}

declare(SCIMMY.Resources.User, state.users, (user) => {
  const same = (u) => u.id !== user.id && u.userName.toLowerCase() === user.userName.toLowerCase();
  if (Object.values(state.users).some(same)) fail(409, "uniqueness", "userName is taken");
});
declare(SCIMMY.Resources.Group, state.groups, (group) => {
  const members = new Map();
  for (const m of group.members ?? []) {
    const type = state.users[m.value] ? "User" : state.groups[m.value] ? "Group" : fail(400, "invalidValue", `no member ${m.value}`);
    members.set(m.value, { value: m.value, type });
  }
  group.members = [...members.values()];
});

const app = express();
// One request after another: a PATCH reads and writes, and each must see the last.
let turn = Promise.resolve();
app.use((req, res, next) => {
  const mine = new Promise((done) => res.on("close", done));
  turn = turn.then(() => { next(); return mine; });
});
app.use("/scim/v2", new SCIMMYRouters({
  type: "bearer",
  handler: (req) => {
    const token = req.header("Authorization")?.replace(/^Bearer /, "");
    if (token !== writer && token !== reader) throw new Error("the token is not known");
  },
  context: (req) => ({ writes: req.header("Authorization") === `Bearer ${writer}` }),
}));
app.listen(Number(port), "127.0.0.1");

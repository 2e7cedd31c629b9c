package schema

import (
	"regexp"
	"slices"

	"gopkg.in/yaml.v3"
)

func (d *decoder) role(n *yaml.Node) *Role {
	r := &Role{Pos: d.pos(n)}
	o := d.object(n, KindRole, "", "apiVersion", "kind", "name", "description", "params", "entitlements",
		"requesters", "maxDuration", "maxSpan", "approvals", "require", "emergency", "standing", "maxReview",
		"exclusive", "keep", "labels")
	o.need("name", "entitlements", "requesters", "maxDuration", "approvals")
	r.Name = o.text("name", wrongName)
	r.Description = o.text("description", wrongText)
	r.Requesters = o.texts("requesters", 1, maxItems, wrongName)
	r.MaxDuration = o.duration("maxDuration")
	r.MaxSpan = o.duration("maxSpan")
	r.Standing = o.bool("standing", false)
	r.MaxReview = o.duration("maxReview")
	r.Exclusive = o.bool("exclusive", false)
	r.Keep = o.texts("keep", 0, maxItems, wrongAccount)
	r.Labels = o.labels()
	if n := o.get("params"); n != nil {
		r.Params = d.params(n)
	}
	if n := o.get("entitlements"); n != nil {
		d.items(n, "entitlements", "entitlements", 1, maxEntitlements, func(item *yaml.Node, path string) {
			r.Entitlements = append(r.Entitlements, d.entitlement(item, path, r.Params))
		})
	}
	if n := o.get("approvals"); n != nil {
		r.Approvals = d.approvals(n)
	}
	if n := o.get("require"); n != nil {
		if q := d.object(n, "require", "require.", "ticket"); q != nil {
			q.need("ticket")
			r.Require.Ticket = q.text("ticket", wrongPattern)
		}
	}
	if n := o.get("emergency"); n != nil {
		r.Emergency = d.emergency(n)
	}
	if o.has("maxReview") && !r.Standing {
		d.problem(o.get("maxReview"), "maxReview is given without standing: true; it bounds reviewBy of standing access only")
	}
	if o.has("keep") && !r.Exclusive {
		d.problem(o.get("keep"), "keep is given without exclusive: true; only an exclusive role takes access away from others")
	}
	return r
}

// wrongPattern says what is wrong with a regular expression, or "".
func wrongPattern(s string) string {
	if why := wrongExpression(s); why != "" {
		return why
	}
	if _, err := regexp.Compile(s); err != nil {
		return "is not a regular expression (" + err.Error() + "); write one such as ^INC-[0-9]+$"
	}
	return ""
}

func (d *decoder) params(n *yaml.Node) map[string]Param {
	out := map[string]Param{}
	d.pairs(n, "params", func(name string, k, v *yaml.Node) {
		if why := wrongParam(name); why != "" {
			d.problem(k, "key %s of params %s", show(name), why)
			return
		}
		path := "params." + name
		d.mark(v, path)
		var p Param
		if o := d.object(v, path, path+".", "enum"); o != nil {
			o.need("enum")
			p.Enum = o.texts("enum", 1, maxItems, wrongParamValue)
		}
		out[name] = p
	})
	return out
}

// entitlement reads a target and what to hold there, and checks the parameters
// that it uses.
func (d *decoder) entitlement(n *yaml.Node, path string, params map[string]Param) Entitlement {
	e := Entitlement{Pos: d.pos(n)}
	e.Spec = d.spec(n, "item of entitlements", path)
	if n.Kind != yaml.MappingNode {
		return e
	}
	value, given := e.Spec["target"]
	target, isText := value.(string)
	delete(e.Spec, "target")
	switch at := child(n, "target"); {
	case at == nil:
		d.problem(n, `item of entitlements has no key "target", which is required`)
	case !given: // reported with its value
	case !isText:
		d.problem(at, "target of an entitlement is %s; it must be the name of a Target", kindOf(at))
	default:
		e.Target = target
		if why := wrongName(target); why != "" {
			d.problem(at, "target %s %s", show(target), why)
		}
	}
	if given && len(n.Content) == 2 {
		d.problem(n, "item of entitlements names a target and nothing to hold there; add what its connector grants, such as role: orders_ro")
	}
	for _, key := range specKeys(e.Spec) {
		d.checkPlaceholders(child(n, key), map[string]any{key: e.Spec[key]}, params)
	}
	return e
}

// checkPlaceholders checks the parameters that one value of an entitlement uses.
func (d *decoder) checkPlaceholders(at *yaml.Node, spec map[string]any, params map[string]Param) {
	used, err := placeholders(spec)
	if err != nil {
		d.problem(at, "%s", err)
	}
	for _, name := range used {
		if _, ok := params[name]; !ok {
			d.problem(at, "entitlement uses ${%s}, but params does not declare it%s", name, among("declared", sortedKeys(params), name))
		}
	}
}

// child returns the value of a mapping's key, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func (d *decoder) approvals(n *yaml.Node) []Approval {
	var out []Approval
	ok := d.items(n, "approvals", "approvals", 1, maxApprovals, func(item *yaml.Node, path string) {
		a := Approval{Pos: d.pos(item), Count: 1}
		o := d.object(item, "item of approvals", path+".", "from", "count", "when")
		if o == nil {
			return
		}
		o.need("from")
		a.From = o.texts("from", 1, maxItems, wrongApprover)
		if c := o.get("count"); c != nil {
			a.Count = int(d.whole(c, "count", 1, maxCount))
		}
		a.When = o.text("when", wrongExpression)
		out = append(out, a)
	})
	always := func(a Approval) bool { return a.When == "" }
	if ok && !slices.ContainsFunc(out, always) {
		d.problem(n, "every item of approvals has a when; at least one must always apply, or access could be had without any approval")
	}
	return out
}

func (d *decoder) emergency(n *yaml.Node) *EmergencyTerms {
	e := &EmergencyTerms{}
	o := d.object(n, "emergency", "emergency.", "requesters", "maxDuration", "reviewWithin")
	if o == nil {
		return e
	}
	o.need("requesters", "maxDuration", "reviewWithin")
	e.Requesters = o.texts("requesters", 1, maxItems, wrongName)
	e.MaxDuration = o.duration("maxDuration")
	e.ReviewWithin = o.duration("reviewWithin")
	return e
}

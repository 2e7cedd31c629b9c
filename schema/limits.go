package schema

// Limits of what the loader reads. They are far above what people write and far
// below what would cost memory; whoever meets one sees an error that names it.
const (
	// MaxFileBytes is the size of the largest file that is parsed.
	MaxFileBytes = 256 << 10
	// MaxPathBytes is the length of the longest path that is read.
	MaxPathBytes = 1024
	// maxDepth bounds the nesting of lists and mappings that is handed to the
	// YAML parser. The deepest valid document needs six levels.
	maxDepth = 32
	// maxProblems bounds the problems of one file; the last one counts the rest.
	maxProblems = 200
	// maxNameBytes is the length of the longest name of a document.
	maxNameBytes = 64
	// maxAccountBytes is the length of the longest account name on a target.
	maxAccountBytes = 1000
	// maxLineRunes bounds one-line values: labels, logins, spec values, titles.
	maxLineRunes = 1000
	// maxTextRunes bounds text for people: reasons, descriptions, messages.
	maxTextRunes = 4000
	// maxExpressionRunes bounds one CEL expression or regular expression.
	maxExpressionRunes = 4000
	// maxCount bounds the number of approvals that one item can ask for.
	maxCount = 20
	// maxItems bounds the items of a list for which nothing else is said.
	maxItems = 1000
	// maxMembers bounds the members that a group names itself.
	maxMembers = 10_000
	// maxSubjects and maxRoles bound one request; groups reach further.
	maxSubjects = 200
	maxRoles    = 50
	// maxEntitlements and maxApprovals bound one role.
	maxEntitlements = 200
	maxApprovals    = 20
	// maxCombinations bounds the expansions of one entitlement's parameters
	// that are checked against the target's ceiling.
	maxCombinations = 1000
	// maxShown is how much of a bad value an error repeats, in runes.
	maxShown = 60
	// maxListed is how many allowed values an error lists.
	maxListed = 20
)

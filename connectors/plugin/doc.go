// Package plugin is the protocol tenure.plugin/v1, by which a program in any language
// becomes a connector. It turns calls into messages and holds the answers to the
// published schema; how messages travel is a [Transport], and it knows none of them.
//
// A plug-in is trusted with its own system and with nothing else: whatever it
// answers, Observe is complete or an error, no call outlives its context, and what
// the settings hold does not come back in an error.
package plugin

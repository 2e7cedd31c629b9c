// Package forgetest says what every forge must do: one suite for the drivers of
// package forge, which runs against the real server or, where there is none to be
// had, against a stand-in. A forge under test offers a Hub.
//
// It is for tests only.
package forgetest

import (
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
)

// Branch is the watched branch of the access repository.
const Branch = "main"

// Hub is one forge with one access repository of its own, as people use it. It
// belongs to one test: what goes wrong ends that test, so no method returns an
// error. What a forge cannot do is named in NotApplicable, and is not called.
//
// Everything that a method does is done when it returns, as far as the forge's API
// shows it: a hub whose forge works in the background waits for it.
type Hub interface {
	// Type is the forge's key in a person's document, such as "github".
	Type() string
	// Repo is the access repository (owner/name). It has the branch main with at
	// least one commit, and every way to merge is allowed.
	Repo() string
	// GitURL is where the reconciler clones it from, with the client's Token.
	GitURL() string
	// Client is the driver under test, signed in as an account of the reconciler's
	// own, which may do what the documentation says that it needs to.
	Client() forge.Client

	// Person returns the account of a person, made by the first call. It may push
	// to the access repository, review and merge.
	Person(login string) forge.Identity
	// Bot is like Person for an account that the driver reports as a bot's. Where
	// that is one account only, it is returned under its own login.
	Bot(login string) forge.Identity
	// Remote is the address of a repository (owner/name) for Git as a person or
	// bot, with name and password in it.
	Remote(repo, login string) string
	// Fork copies the access repository for a person and returns owner/name. The
	// fork can be read by everybody.
	Fork(login string) string

	// Open opens a pull request and returns its number.
	Open(by string, p Pull) int
	Retarget(by string, number int, base string)
	Close(by string, number int)
	Reopen(by string, number int)
	// Review reviews it with a state of package forge: approved,
	// changes_requested or commented.
	Review(by string, number int, state string)
	// Dismiss takes away a person's approval, as somebody who may.
	Dismiss(number int, reviewer string)
	// Merge merges it by a method: "merge", "squash" or "rebase".
	Merge(by string, number int, method string)

	// Comments are the bodies of the comments on a pull request, oldest first.
	Comments(number int) []string
	// Overwrite replaces the text of every comment on a pull request, as somebody
	// who may.
	Overwrite(number int, body string)
	// Status is the status of a commit that has the reconciler's context
	// (forge.StatusContext), and how many times it was set; zero: never.
	Status(commit string) (forge.Status, int)

	// Now is the forge's clock.
	Now() time.Time
	// Tick lets the forge's clock move on, so that what happens next has a later
	// time than what happened before, in whole seconds.
	Tick()

	// NotApplicable names the scenarios that the forge cannot play, each with the
	// reason. The suite fails on a name that it does not have.
	NotApplicable() map[string]string
}

// Pull is a pull request that somebody opens.
type Pull struct {
	Title string
	Body  string
	From  string // repository (owner/name); empty: the access repository
	Head  string // branch
	Base  string // branch; empty: Branch
}

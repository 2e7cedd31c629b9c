package connectors

import (
	"slices"
	"testing"
)

func TestAScopeIsReadOnceEach(t *testing.T) {
	read := func(text string) (string, error) {
		pairs, err := DecodeEntitlement(text, "group")
		return pairs["group"], err
	}
	got, err := DecodeScope([]string{"group=b", "group=a", "group=b"}, read)
	if err != nil || !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := DecodeScope(nil, read); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := DecodeScope([]string{"group=a", "not canonical"}, read); err == nil {
		t.Errorf("what cannot be read passed: %v", got)
	}
}

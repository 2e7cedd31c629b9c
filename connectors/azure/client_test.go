package azure

import "testing"

func TestTheNextPageIsOnTheSameHost(t *testing.T) {
	c := &client{base: "https://management.azure.com"}
	for address, want := range map[string]string{
		"https://management.azure.com/subscriptions?$skipToken=a%2Fb": "https://management.azure.com/subscriptions?$skipToken=a%2Fb",
		"https://Management.Azure.com:443/a%20b?x=1":                  "https://management.azure.com/a%20b?x=1",
		"http://management.azure.com/x":                               "",
		"https://management.azure.com:8443/x":                         "",
		"https://management.azure.com.example.com/x":                  "",
		"https://management.azure.com@example.com/x":                  "",
		"https://a@management.azure.com/x":                            "",
		"//management.azure.com/x":                                    "",
		"/x":                                                          "",
		"https://management.azure.com":                                "",
		"\x00":                                                        "",
	} {
		if got := c.here(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}

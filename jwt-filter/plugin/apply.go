package plugin

import (
	"unsafe"

	"github.com/palisade-mesh/palisade/filters/claims"
	"github.com/palisade-mesh/palisade/filters/cookie"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/query"
	"github.com/palisade-mesh/palisade/filters/request"
	"github.com/palisade-mesh/palisade/jwt-filter/jwt"
)

// apply changes the request as the verifier says. An error leaves a request that must not go on: it may
// still have a header that a client forged.
func apply(h host.Host, r *request.Request, res *jwt.Result) error {
	for _, name := range res.Remove {
		if err := h.RemoveRequestHeader(name); err != nil {
			return err
		}
	}
	if res.Effect == decision.Deny { // dry-run
		return nil
	}
	if err := takeTokens(h, r, &res.Take); err != nil {
		return err
	}
	for _, header := range res.Set {
		if err := h.SetRequestHeader(header[0], header[1]); err != nil {
			return err
		}
	}
	if res.Claims == "" {
		return nil
	}
	return h.SetProperty(claims.Property, unsafe.Slice(unsafe.StringData(res.Claims), len(res.Claims)))
}

// takeTokens takes the tokens out of where they may be.
func takeTokens(h host.Host, r *request.Request, places *jwt.TokenPlaces) error {
	for i := range places.Headers {
		if site := &places.Headers[i]; !seen(places.Headers[:i], site.Name) {
			if err := takeFromHeader(h, r, site, places); err != nil {
				return err
			}
		}
	}
	if len(places.Cookies) > 0 {
		if err := takeCookies(h, r, places.Cookies); err != nil {
			return err
		}
	}
	if len(places.Params) > 0 {
		return takeParams(h, r, places.Params)
	}
	return nil
}

func takeParams(h host.Host, r *request.Request, names []string) error {
	target, found, err := query.Without(r.Target(), names)
	if err != nil || !found {
		return err
	}
	return h.SetRequestHeader(":path", target)
}

func takeCookies(h host.Host, r *request.Request, names []string) error {
	return rewrite(h, r, cookie.Header, func(value string) (string, bool) { return cookie.Without(value, names) })
}

func seen(sites []jwt.HeaderLocation, name string) bool {
	for i := range sites {
		if sites[i].Name == name {
			return true
		}
	}
	return false
}

// takeFromHeader takes the tokens out of a header, at all of its places, and leaves what is none (Basic beside Bearer).
func takeFromHeader(h host.Host, r *request.Request, first *jwt.HeaderLocation, places *jwt.TokenPlaces) error {
	if *first == places.Alone {
		return h.RemoveRequestHeader(first.Name) // nearly always
	}
	return takeFromHeaders(h, r, first.Name, places.Headers)
}

// takeFromHeaders is a function of its own, because what its closure refers to is allocated.
func takeFromHeaders(h host.Host, r *request.Request, name string, sites []jwt.HeaderLocation) error {
	var prefixes []string
	for i := range sites {
		if sites[i].Name == name {
			prefixes = append(prefixes, sites[i].Prefix)
		}
	}
	return rewrite(h, r, name, func(value string) (string, bool) { return jwt.WithoutTokens(value, prefixes) })
}

// rewrite replaces the values of a header by what is left of them.
func rewrite(h host.Host, r *request.Request, name string, without func(value string) (rest string, found bool)) error {
	var values []string
	found := false
	for _, p := range r.Headers() {
		if p[0] != name {
			continue
		}
		rest, has := without(p[1])
		found = found || has
		if rest != "" {
			values = append(values, rest)
		}
	}
	if !found {
		return nil
	}
	if err := h.RemoveRequestHeader(name); err != nil {
		return err
	}
	for _, value := range values {
		if err := h.AddRequestHeader(name, value); err != nil {
			return err
		}
	}
	return nil
}

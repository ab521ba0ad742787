package mesh

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/go-jose/go-jose/v4"

	"github.com/palisade-mesh/palisade/e2e/idp"
)

// Alice is a user whose token has these scopes, separated by spaces.
func Alice(scope string) idp.TokenRequest {
	return idp.TokenRequest{Subject: "alice", Audience: Audience, Claims: idp.Claims{"scope": scope}}
}

// Token asks the identity provider for a token.
func (m *Mesh) Token(ctx context.Context, request idp.TokenRequest) (string, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return "", fmt.Errorf("mesh: %w", err)
	}
	reply, err := m.askIdP(ctx, http.MethodPost, "/token", body)
	if err != nil {
		return "", err
	}
	var token idp.TokenResponse
	if err := json.Unmarshal(reply, &token); err != nil {
		return "", fmt.Errorf("mesh: token response: %w", err)
	}
	return token.AccessToken, nil
}

// impostor claims to be the identity provider, without its keys.
func impostor(request idp.TokenRequest) idp.Claims {
	provider := idp.Provider{Issuer: Issuer}
	return provider.Claims(request.Subject, request.Audience, request.Claims)
}

// forgedToken says the same as the real one, signed by another key.
func forgedToken(request idp.TokenRequest) (string, error) {
	return idp.Forge(jose.RS256, impostor(request))
}

// unsecuredToken says the same as the real one, and is not signed at all.
func unsecuredToken(request idp.TokenRequest) (string, error) {
	return idp.Unsecured(impostor(request))
}

// rotateKeys has the identity provider sign with new keys from now on, and
// publish no others.
func (m *Mesh) rotateKeys(ctx context.Context) error {
	_, err := m.askIdP(ctx, http.MethodPost, "/rotate", nil)
	return err
}

// IdPAddress is where the identity provider listens.
func (m *Mesh) IdPAddress() string { return m.processes[roleIdP].address }

func (m *Mesh) askIdP(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+m.IdPAddress()+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("mesh: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("mesh: identity provider: %w", err)
	}
	defer response.Body.Close()
	reply, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("mesh: identity provider: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("mesh: identity provider: %s: %s", response.Status, reply)
	}
	return reply, nil
}

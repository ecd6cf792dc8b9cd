(rec {
  description = "A rec set in parentheses";
  inputs = rec {
    nixpkgs = (rec { url = "github:NixOS/nixpkgs/nixos-25.11"; });
    home = ({
      url = ("github:acme/home/release-25.11");
      inputs = ({ nixpkgs = ({ follows = ("nixpkgs"); }); });
    });
    tools.url = (github:acme/tools/main);
  };
  outputs = _: { };
})

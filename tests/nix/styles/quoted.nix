{
  "description" = ''names in quotes, and "inputs" in a text'';
  "inputs" = {
    "nixpkgs"."url" = "github:NixOS/nixpkgs/nixos-25.11";
    "or" = { "url" = "github:acme/or/main"; };
    "in".url = "github:acme/in/main"; /* a keyword */
    "a.b" = {
      url = "github:acme/a.b/main";
      inputs."c.d".follows = "nixpkgs";
    };
    ${"late"} = { url = ("github:acme/late/main"); inputs.${"nixpkgs"} = { follows = ("nixpkgs"); }; };
  };
  outputs = { self, ... }: { };
}
